// The library `spillway/agent`: what a program in the agent imports.

export type { Level } from '../core/model/status.ts';
export type { Advice, AdviceAction } from '../core/pressure/advice.ts';
export { type ConnectOptions, connect } from './connect.ts';
export type { Pressure, PressureEvents } from './pressure.ts';
