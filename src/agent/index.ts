// The library `spillway/agent`: what a program in the agent imports.

export type { Level } from '../core/model/status.ts';
export type { Advice, AdviceAction } from '../core/pressure/advice.ts';
export { type ConnectOptions, connect } from './connect.ts';
export { expressShed } from './gate/express-shed.ts';
export { fastifyShed } from './gate/fastify-shed.ts';
export { honoShed } from './gate/hono-shed.ts';
export { type Limited, type LimitedOptions, type LimitOptions, limit } from './gate/limit.ts';
export { OverloadedError } from './gate/overloaded-error.ts';
export type { ShedOptions } from './gate/shed.ts';
export type { Pressure, PressureEvents } from './pressure.ts';
