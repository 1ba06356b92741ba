// A cache of embeddings by prompt, without a bound.
// names: remember
const cache = new Map();

function embed(prompt) {
  return Array.from({ length: 256 }, (_, i) => Math.sin(prompt.length + i));
}

// grows here
function remember(prompt) {
  if (!cache.has(prompt))
    cache.set(prompt, { prompt, tokens: prompt.split(' '), seen: Array(200).fill(prompt) });
  return cache.get(prompt);
}

let prompts = 0;
setInterval(() => {
  for (let i = 0; i < 120; i++) {
    const prompt = `what does file ${prompts++} say about memory`;
    embed(prompt);
    remember(prompt);
  }
}, 20);
