// The six pages of the dashboard, and moving between them without loading the page again.
import { Cell } from "./store/cell";

export const PAGES = [
  { path: "/", name: "Overview" },
  { path: "/portfolio", name: "Portfolio" },
  { path: "/trading", name: "Trading" },
  { path: "/analytics", name: "Analytics" },
  { path: "/config", name: "Config" },
  { path: "/monitoring", name: "Monitoring" },
] as const;

export type PagePath = (typeof PAGES)[number]["path"];

const clean = (path: string): string => (path.length > 1 ? path.replace(/\/+$/, "") : path) || "/";

export const place = new Cell<string>(clean(location.pathname));

addEventListener("popstate", () => place.set(clean(location.pathname)));

export function go(path: string): void {
  if (path === place.value) return;
  history.pushState(null, "", path);
  place.set(path);
  scrollTo(0, 0);
}

/** For a link's onClick: a plain click stays on the page, a click with a modifier is the browser's. */
export function follow(event: MouseEvent, path: string): void {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(path);
}
