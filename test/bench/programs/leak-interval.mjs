// A heartbeat for each session that outlives it, and with it everything in its scope.
// names: openSession
// grows here
function openSession(id) {
  const transcript = Array.from({ length: 5000 }, (_, i) => ({ id, i, text: `message ${i}` }));
  let beats = 0;
  setInterval(() => {
    beats++;
    if (beats > 1e9) transcript.length = 0;
  }, 60_000).unref();
}

let sessions = 0;
setInterval(() => openSession(sessions++), 30);
