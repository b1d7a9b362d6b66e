// What the first load may weigh, held by the build: `vite.config.ts` calls it with what was built.
import { gzipSync } from "node:zlib";

/** JavaScript and CSS that the page asks for before anything is shown, gzipped. */
export const FIRST_LOAD_BYTES = 120 * 1024;

/** Code of these packages comes only where it is used. */
const ON_DEMAND = ["lightweight-charts", "fancy-canvas"];

/** What this needs of a chunk of Rollup's output. */
export interface Built {
  fileName: string;
  code?: string;
  source?: string | Uint8Array;
  isEntry?: boolean;
  imports?: readonly string[];
  moduleIds?: readonly string[];
  viteMetadata?: { importedCss: ReadonlySet<string> };
}

/** The files of the first load: the entry, what it imports at once, and their styles. */
export function firstLoad(bundle: Readonly<Record<string, Built>>): Built[] {
  const wanted = Object.values(bundle).filter((file) => file.isEntry);
  const found = new Map<string, Built>();
  for (let file = wanted.pop(); file; file = wanted.pop()) {
    if (found.has(file.fileName)) continue;
    found.set(file.fileName, file);
    for (const name of [...(file.imports ?? []), ...(file.viteMetadata?.importedCss ?? [])]) {
      if (bundle[name]) wanted.push(bundle[name]);
    }
  }
  return [...found.values()];
}

const weight = (file: Built): number => gzipSync(file.code ?? file.source ?? "", { level: 9 }).length;

/** The weight in bytes. Throws when it is over the budget or brings what should come on demand. */
export function weigh(bundle: Readonly<Record<string, Built>>): number {
  const files = firstLoad(bundle);
  const early = files.flatMap((file) => file.moduleIds ?? []).find((id) => ON_DEMAND.some((name) => id.includes(`/node_modules/${name}/`)));
  if (early) throw new Error(`the first load brings ${early}, which belongs where a chart is: import it with import() there`);
  const bytes = files.reduce((sum, file) => sum + weight(file), 0);
  if (bytes > FIRST_LOAD_BYTES) {
    const listed = files.map((file) => `${file.fileName} ${weight(file)}`).join(", ");
    throw new Error(`the first load is ${bytes} bytes gzipped and may be ${FIRST_LOAD_BYTES}: ${listed}`);
  }
  return bytes;
}
