import type { Site } from '../model/heap.ts';
import { packageOf } from './package-of.ts';
import { type RawSite, siteKey } from './sites.ts';

/** A function of which more, or less, is held than at the baseline. */
export interface GrownSite extends RawSite {
  growthBytes: number;
}

/** Where a function stands in its source. */
export interface Place {
  /** As the source calls it; empty where it has no name. */
  name: string;
  /** For people: shortened, a file of the source where a source map tells. */
  file: string | null;
  line: number | null;
  /** The source of the package name: the whole path, or the URL of what is no file. */
  path: string;
}

/** Finds the source of functions; one place for each, never throws. */
export type FindPlaces = (sites: readonly RawSite[]) => Promise<Place[]>;

export const MOST_SITES = 10;

/**
 * Growth by function, most first. Sampling sees only what is allocated after its start, so a cache that replaces its
 * entries seems to grow until it has been replaced once, as a leak does. What grew since the first reading is certain:
 * as soon as that is as much as the first reading had found, it alone counts; until then everything since the start.
 * @param start,first what was found when sampling started (nothing, unless somebody else had started it) and at the
 *   first reading
 */
export function growthSince(
  sites: readonly RawSite[],
  start: readonly RawSite[],
  first: readonly RawSite[],
): GrownSite[] {
  const sinceFirst = grown(sites, first);
  const certain = growthSum(sinceFirst) >= growthSum(grown(first, start));
  return (certain ? sinceFirst : grown(sites, start)).sort((a, b) => b.growthBytes - a.growthBytes);
}

function growthSum(sites: readonly { growthBytes: number }[]): number {
  return sites.reduce((sum, site) => sum + site.growthBytes, 0);
}

function grown(sites: readonly RawSite[], before: readonly RawSite[]): GrownSite[] {
  const bytesBefore = new Map(before.map((site) => [siteKey(site), site.bytes]));
  return sites.map((site) => ({ ...site, growthBytes: site.bytes - (bytesBefore.get(siteKey(site)) ?? 0) }));
}

/** The sites as reported: by place in the source, where two of the code that runs may be one, most growth first. */
export function topSites(sites: readonly GrownSite[], places: readonly Place[]): Site[] {
  const merged = new Map<string, Site>();
  sites.forEach((site, i) => {
    const place = places[i] ?? placeAsRun(site);
    const key = `${place.path}\n${place.line}\n${place.name}`;
    const known = merged.get(key);
    if (known) {
      known.bytes += site.bytes;
      known.growthBytes += site.growthBytes;
      return;
    }
    merged.set(key, {
      name: place.name || '(anonymous)',
      kind: 'function',
      file: place.file,
      line: place.line,
      package: packageOf(place.path),
      bytes: Math.round(site.bytes),
      growthBytes: Math.round(site.growthBytes),
    });
  });
  return [...merged.values()].sort((a, b) => b.growthBytes - a.growthBytes).slice(0, MOST_SITES);
}

/** A place with nothing known but what V8 says. */
export function placeAsRun({ name, url, line }: RawSite): Place {
  return { name, file: url || null, line: line || null, path: url };
}
