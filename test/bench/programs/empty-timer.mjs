// Wakes so often, and does nothing.
const everyMs = Number(process.argv[2]);
const wake = () => setTimeout(wake, everyMs);
wake();
