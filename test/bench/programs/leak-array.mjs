// A trace of spans that is never written out.
// names: recordSpan
const spans = [];

// grows here
function recordSpan(name, parent) {
  spans.push({
    name,
    parent,
    startedMs: performance.now(),
    attributes: { tokens: spans.length, model: 'small' },
    links: [parent],
  });
}

setInterval(() => {
  for (let i = 0; i < 1200; i++) recordSpan(`step ${i}`, i);
}, 20);
