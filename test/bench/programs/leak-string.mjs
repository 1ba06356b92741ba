// A transcript to which every token is appended.
// names: appendTokens
let transcript = '';

// grows here
function appendTokens(turn) {
  for (let i = 0; i < 3000; i++) transcript += ` token-${turn}-${i}`;
}

let turns = 0;
setInterval(() => {
  appendTokens(turns++);
  if (transcript === 'over') process.exit();
}, 20);
