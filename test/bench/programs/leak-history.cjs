// A chat over HTTP that keeps each conversation whole, and a client that goes on talking.
// names: reply
const { createServer } = require('node:http');

const conversations = new Map();

// grows here
function reply(user, content) {
  const messages = conversations.get(user) ?? [];
  messages.push({ role: 'user', content });
  for (let i = 0; i < 150; i++)
    messages.push({ role: 'tool', id: `${user}-${messages.length}`, content: `line ${i}: ${content}` });
  conversations.set(user, messages);
  return { role: 'assistant', content: `${messages.length} messages` };
}

const server = createServer((request, response) => {
  const { searchParams } = new URL(request.url, 'http://agent');
  response.end(JSON.stringify(reply(searchParams.get('user'), searchParams.get('say'))));
}).listen(0, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${server.address().port}/`;
  let turns = 0;
  setInterval(() => {
    for (let i = 0; i < 12; i++)
      fetch(`${url}?user=${turns++ % 50}&say=hello`).then((answer) => answer.json());
  }, 20);
});
