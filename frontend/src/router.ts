// The pages of the dashboard, and moving between them without loading the page again.
import { Cell } from "./store/cell";

export const PAGES = [
  { path: "/", name: "Overview" },
  { path: "/portfolio", name: "Portfolio" },
  { path: "/trading", name: "Trading" },
  { path: "/analytics", name: "Analytics" },
  { path: "/config", name: "Config" },
  { path: "/monitoring", name: "Monitoring" },
] as const;

/** The page of one symbol is no entry of the navigation. */
export const SYMBOL_PAGE = "/symbol/";

export type PagePath = (typeof PAGES)[number]["path"] | typeof SYMBOL_PAGE;

const clean = (path: string): string => (path.length > 1 ? path.replace(/\/+$/, "") : path) || "/";

export const place = new Cell<string>(clean(location.pathname));

/** What stands behind the question mark, as `setQuery` or a link left it. */
export const query = new Cell<string>(location.search);

function arrive(): void {
  place.set(clean(location.pathname));
  query.set(location.search);
}

addEventListener("popstate", arrive);

export function go(path: string): void {
  if (path === place.value + query.value) return;
  history.pushState(null, "", path);
  const moved = clean(location.pathname) !== place.value;
  arrive();
  if (moved) scrollTo(0, 0);
}

/** For a link's onClick: a plain click stays on the page, a click with a modifier is the browser's. */
export function follow(event: MouseEvent, path: string): void {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(path);
}

/** Changes some parameters of the address, null takes one away; no step back in the history is made of it. */
export function setQuery(changes: Readonly<Record<string, string | null>>): void {
  const now = new URLSearchParams(query.value);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) now.delete(name);
    else now.set(name, value);
  }
  const text = now.toString();
  history.replaceState(null, "", place.value + (text && `?${text}`));
  arrive();
}

/** The order ticket with a symbol in it. */
export const ticketPath = (symbol: string): string => `/trading?symbol=${encodeURIComponent(symbol)}`;

/** The symbol of the address, null on every other page. */
export function symbolOf(path: string): string | null {
  if (!path.startsWith(SYMBOL_PAGE)) return null;
  try {
    return decodeURIComponent(path.slice(SYMBOL_PAGE.length)).toUpperCase() || null;
  } catch {
    return null;
  }
}
