// `spillway/agent/register`: the hook that Node agents load by `--require`. A process that is not the agent must not notice it.
import { startHook } from './hook/start.ts';

try {
  startHook(__dirname);
} catch {
  // whatever it is, it is none of the agent's business
}
