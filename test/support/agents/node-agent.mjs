// The same program, begun as an ECMAScript module.
import './node-agent.cjs';
