// A crawler that remembers each address it has been to.
// names: visit
const seen = new Set();

// grows here
function visit(page) {
  for (let link = 0; link < 500; link++)
    seen.add(`https://example.com/pages/${page}/section/${link}?from=agent`);
}

let pages = 0;
setInterval(() => {
  for (let i = 0; i < 3; i++) visit(pages++);
}, 20);
