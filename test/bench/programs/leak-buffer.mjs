// Audio of a voice agent, kept by the chunk.
// names: external Buffers
const chunks = [];

function record(samples) {
  chunks.push(Buffer.alloc(samples * 2, 1));
}

setInterval(() => {
  for (let i = 0; i < 5; i++) record(32_768);
}, 20);
