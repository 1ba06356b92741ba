// The library `spillway/agent`: what a program in the agent imports.
export type { Advice, AdviceAction } from '../core/advice.ts';
export type { Level } from '../core/status.ts';
export { type ConnectOptions, connect } from './connect.ts';
export type { Pressure, PressureEvents } from './pressure.ts';
