import { type ContenderName, RIVALS } from './contenders.ts';
import type { KindName } from './kinds.ts';
import type { Score } from './score.ts';

/** One load and what each contender made of it. */
export interface Result {
  kind?: KindName;
  replicas: number;
  offered: number;
  scores: ReadonlyMap<ContenderName, Score>;
}

export type Target = 'broken' | 'served' | 'none-ready' | 'spike' | 'leak';

export interface Missed {
  target: Target;
  text: string;
}

/** Of what is offered, where the kill can be foreseen. */
const BROKEN_SHARE = 0.01;
/** Served, beside the best of the alternatives. */
const SERVED_SHARE = 0.99;
const SPIKE_SERVED_SHARE = 0.9;
/** Over all loads, beside the best alternative. */
const SERVED_OVER_ALL = 1.15;

/** Which targets one of Spillway's contenders missed; without an alternative beside it, those that need none. */
export function missedBy(name: ContenderName, { kind, replicas, offered, scores }: Result): Missed[] {
  const own = scores.get(name);
  if (!own) return [];
  const none = scores.get('none');
  const best = Math.max(0, ...RIVALS.flatMap((rival) => scores.get(rival)?.served ?? []));
  const { served, broken, brokenForeseeable, noneReadyMs } = own;
  const missed: [Target, boolean, string][] = [
    [
      'broken',
      brokenForeseeable > BROKEN_SHARE * offered,
      `${brokenForeseeable} of ${offered} broken that could be foreseen`,
    ],
    ['served', served < SERVED_SHARE * best, `served ${served}, the best of the others ${best}`],
    [
      'none-ready',
      replicas > 1 && none !== undefined && noneReadyMs > none.noneReadyMs,
      `none ready for ${seconds(noneReadyMs)}, without a guard ${seconds(none?.noneReadyMs ?? 0)}`,
    ],
    [
      'spike',
      kind === 'spike' && (served < SPIKE_SERVED_SHARE * offered || broken > 0),
      `spike: served ${served} of ${offered}, ${broken} broken`,
    ],
    [
      'leak',
      kind === 'slow-leak' && (broken > 0 || (none !== undefined && served < none.served)),
      `slow leak: served ${served}, without a guard ${none?.served ?? '–'}, ${broken} broken`,
    ],
  ];
  return missed.flatMap(([target, is, text]) => (is ? [{ target, text }] : []));
}

/** Sums over all loads that each of the contenders of the run has a score for. */
export interface Total {
  loads: number;
  offered: number;
  served: number;
  refused: number;
  broken: number;
  brokenForeseeable: number;
  kills: number;
  aborts: number;
  /** Loads in which the kernel or V8 ended an agent. */
  loadsKilled: number;
  sessionsLost: number;
  unreadyMs: number;
  noneReadyMs: number;
  /** Loads with all targets reached. */
  reached: number;
}

export function totals(results: readonly Result[]): Map<ContenderName, Total> {
  const names = [...new Set(results.flatMap(({ scores }) => [...scores.keys()]))];
  const common = results.filter(({ scores }) => names.every((name) => scores.has(name)));
  return new Map(names.map((name) => [name, total(name, common)]));
}

function total(name: ContenderName, results: readonly Result[]): Total {
  const scores = results.flatMap((result) => result.scores.get(name) ?? []);
  const sum = (of: (score: Score) => number) => scores.reduce((all, each) => all + of(each), 0);
  return {
    loads: results.length,
    offered: results.reduce((all, { offered }) => all + offered, 0),
    served: sum(({ served }) => served),
    refused: sum(({ refused }) => refused),
    broken: sum(({ broken }) => broken),
    brokenForeseeable: sum(({ brokenForeseeable }) => brokenForeseeable),
    kills: sum(({ kills }) => kills),
    aborts: sum(({ aborts }) => aborts),
    loadsKilled: sum(({ kills, aborts }) => (kills + aborts > 0 ? 1 : 0)),
    sessionsLost: sum(({ sessionsLost }) => sessionsLost),
    unreadyMs: sum(({ unreadyMs }) => unreadyMs),
    noneReadyMs: sum(({ noneReadyMs }) => noneReadyMs),
    reached: results.filter((result) => missedBy(name, result).length === 0).length,
  };
}

/** Over all loads: served by one of Spillway's contenders beside the best single alternative. */
export function overAll(name: ContenderName, all: ReadonlyMap<ContenderName, Total>) {
  const best = Math.max(0, ...RIVALS.flatMap((rival) => all.get(rival)?.served ?? []));
  const ratio = (all.get(name)?.served ?? 0) / best;
  return { ratio, reached: ratio >= SERVED_OVER_ALL };
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
