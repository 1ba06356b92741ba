import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, parseAllDocuments } from 'yaml';

export const CHART = fileURLToPath(new URL('../../../helm/spillway', import.meta.url));
/** Kinds that clusters have or have not, as `.Capabilities` names them. */
export const POLICY = 'admissionregistration.k8s.io/v1/MutatingAdmissionPolicy';
export const VALIDATING = 'admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy';
export const PROMETHEUS = ['monitoring.coreos.com/v1/PodMonitor', 'monitoring.coreos.com/v1/PrometheusRule'];
export const CERT_MANAGER = 'cert-manager.io/v1/Certificate';

/** A Kubernetes object, as far as tests look into it. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: tests look into objects of every kind
  [field: string]: any;
}

/** What a chart is rendered with. */
export interface Given {
  /** `key.path=value`, as `--set` takes them. */
  set?: string[];
  apis?: string[];
  kubeVersion?: string;
  namespace?: string;
}

/** Every helm to test with: TEST_HELM, a list separated by colons, else the one on PATH. */
export function helms(): string[] {
  const named = process.env['TEST_HELM']?.split(':').filter(Boolean);
  if (named?.length) return named;
  return spawnSync('helm', ['version', '--short']).status === 0 ? ['helm'] : [];
}

export function versionOf(helm: string): string {
  return execFileSync(helm, ['version', '--short'], { encoding: 'utf8' }).trim();
}

function argsOf({ set = [], apis = [], kubeVersion, namespace = 'spillway' }: Given): string[] {
  return [
    ...['--namespace', namespace],
    ...set.flatMap((value) => ['--set', value]),
    ...apis.flatMap((api) => ['--api-versions', api]),
    ...(kubeVersion === undefined ? [] : ['--kube-version', kubeVersion]),
  ];
}

/** The chart's output as text. @throws with helm's own words where it refuses */
export function renderText(helm: string, given: Given, ...flags: string[]): string {
  const args = ['template', 'spillway', CHART, ...argsOf(given), ...flags];
  const { status, stdout, stderr } = spawnSync(helm, args, { encoding: 'utf8', timeout: 30_000 });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

export function render(helm: string, given: Given = {}): Manifest[] {
  return parseAllDocuments(renderText(helm, given))
    .map((document) => {
      if (document.errors[0]) throw document.errors[0];
      return document.toJS() as Manifest | null;
    })
    .filter((manifest) => manifest !== null);
}

/** What is said after an install, but for spaces at its ends: NOTES.txt, rendered as a template of a copy of the chart. */
export function notes(helm: string, given: Given): string {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-notes-'));
  try {
    cpSync(CHART, folder, { recursive: true });
    const text = readFileSync(join(CHART, 'templates/NOTES.txt'), 'utf8');
    writeFileSync(
      join(folder, 'templates/notes.yaml'),
      `{{ define "notes" }}${text}{{ end }}notes: {{ include "notes" . | toJson }}\n`,
    );
    const args = ['template', 'spillway', folder, ...argsOf(given), '--show-only', 'templates/notes.yaml'];
    return parse(execFileSync(helm, args, { encoding: 'utf8', timeout: 30_000 })).notes.trim();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Why helm refuses; fails where it does not. */
export function refusal(helm: string, given: Given): string {
  try {
    renderText(helm, given);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`helm took ${JSON.stringify(given)}`);
}
