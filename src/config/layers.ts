import type { Overlay } from './env.ts';
import type { Fault, FaultSource } from './fault.ts';
import { written } from './printable.ts';
import { childOf, configShape, pathText, type Segment, type Shape } from './shape.ts';

type Box = Record<Segment, unknown>;

const isBox = (value: unknown): value is Box => typeof value === 'object' && value !== null;

const byDepthAndIndex = (a: Overlay, b: Overlay): number =>
  a.at.length - b.at.length || pathText(a.at).localeCompare(pathText(b.at), 'en', { numeric: true });

const gap = (overlay: Overlay, at: readonly Segment[]): Fault => ({
  path: pathText(overlay.at),
  reason: `is set by ${overlay.name}, but an entry before ${pathText(at)} is missing`,
  mend: 'Number the entries without gaps, from 0.',
  source: overlay.source,
});

/** Goes one step down; what is not there begins as its default, so that one part of it can be set alone. */
const step = (box: Box, segment: Segment, next: Segment, shape: Shape | null): Box => {
  const existing = Object.hasOwn(box, segment) ? box[segment] : undefined;
  if (isBox(existing)) return existing;
  const fallback: unknown = shape === null || existing !== undefined ? undefined : written(shape, shape.fallback);
  const made = isBox(fallback) ? fallback : ((typeof next === 'number' ? [] : {}) as Box);
  box[segment] = made;
  return made;
};

const beyond = (box: Box, segment: Segment): boolean =>
  typeof segment === 'number' && Array.isArray(box) && segment > box.length;

const place = (root: Box, overlay: Overlay, layer: ReadonlySet<string>): Fault | null => {
  let box = root;
  let shape: Shape | null = configShape;
  for (const [depth, segment] of overlay.at.entries()) {
    if (beyond(box, segment)) return gap(overlay, overlay.at.slice(0, depth + 1));
    const next = overlay.at[depth + 1];
    shape = shape === null ? null : childOf(shape, segment, box);
    if (next !== undefined) {
      box = step(box, segment, next, shape);
      continue;
    }
    box[segment] = overlay.value;
    const { twin } = overlay;
    if (twin !== null && !layer.has(pathText([...overlay.at.slice(0, -1), twin]))) delete box[twin];
  }
  return null;
};

/** The file with everything laid over it, and who had the last word on a path. */
export interface Layered {
  readonly raw: unknown;
  readonly faults: Fault[];
  /** The overlay that decided the value at a path, or null when it is the file's. */
  origin(path: string): { source: FaultSource; name: string } | null;
}

/**
 * Lays values over the file, lowest layer first. A secret in a higher layer replaces both the secret and its file twin
 * of the layers below.
 */
export function layered(file: unknown, layers: readonly (readonly Overlay[])[]): Layered {
  const root: Box = isBox(file) && !Array.isArray(file) ? (structuredClone(file) as Box) : {};
  const faults: Fault[] = [];
  for (const layer of layers) {
    const paths = new Set(layer.map((overlay) => pathText(overlay.at)));
    for (const overlay of [...layer].sort(byDepthAndIndex)) {
      const fault = place(root, overlay, paths);
      if (fault !== null) faults.push(fault);
    }
  }
  const said = layers.flat().reverse();
  return {
    raw: root,
    faults,
    origin(path) {
      const found = said.find((overlay) => {
        const at = pathText(overlay.at);
        return path === at || path.startsWith(`${at}.`) || path.startsWith(`${at}[`);
      });
      return found === undefined ? null : { source: found.source, name: found.name };
    },
  };
}
