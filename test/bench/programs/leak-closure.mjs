// Tools made for every turn and never thrown away: each closes over the text it was made from.
// names: makeTool
const tools = [];

// grows here
function makeTool(turn) {
  const examples = Array.from({ length: 400 }, (_, i) => ({ turn, i, weight: turn / (i + 1) }));
  return (query) => examples.filter(({ weight }) => weight > query);
}

let turns = 0;
setInterval(() => {
  for (let i = 0; i < 10; i++) tools.push(makeTool(turns++));
}, 20);
