// A memory manager as agents carry it themselves: its own RSS, looked at each second. Above one share of the limit it answers 503,
// also to the readiness probe, as overload-protection does; above the next it ends the process, so that whoever started
// it restarts it, as pm2's max_memory_restart does: what is in flight gets the usual ten seconds.
const EVERY_MS = 1000;
const SHED_RATIO = 0.85;
const RESTART_RATIO = 0.92;
const GRACE_MS = 10_000;

export function managed(handle, limitBytes) {
  let inFlight = 0;
  let ratio = 0;
  let ending = false;
  const endWhenIdle = () => ending && inFlight === 0 && process.exit(0);
  setInterval(() => {
    ratio = process.memoryUsage().rss / limitBytes;
    if (ratio < RESTART_RATIO || ending) return;
    ending = true;
    endWhenIdle();
    setTimeout(() => process.exit(1), GRACE_MS);
  }, EVERY_MS).unref();
  return (request, response) => {
    if (ending || ratio > SHED_RATIO) return response.writeHead(503, { 'Retry-After': '1' }).end();
    inFlight++;
    response.once('close', () => {
      inFlight--;
      endWhenIdle();
    });
    return handle(request, response);
  };
}
