// What the user prefers, kept by the API: light, dark or as the system says, the zone of times, the page to
// begin with and the symbols to show first.
import type { UserPreferences } from "./api/bodies";
import { getAfter, onForget, session } from "./desk";
import { setZone } from "./format/time";
import { PAGES, go, place } from "./router";
import { Cell } from "./store/cell";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export const theme = new Cell<Theme>("system");
/** The symbols that lists begin with. */
export const symbolsFirst = new Cell<readonly string[]>([]);
const PATH = "/api/config/preferences";

let kept: UserPreferences | null = null;

function wear(chosen: Theme): void {
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  theme.set(chosen);
}

/** Takes over what the one who signed in has chosen; without an answer the page stays as it is. */
export async function wearPreferences(): Promise<void> {
  try {
    kept = JSON.parse(await getAfter(PATH)) as UserPreferences;
  } catch {
    return;
  }
  const chosen = THEMES.find((each) => each === kept?.theme) ?? "system";
  wear(chosen);
  // Version 0 is nobody's choice.
  setZone(kept.version > 0 ? kept.time_zone : undefined);
  symbolsFirst.set(kept.symbols);
}

/** As `wearPreferences`, for one who has just come in: who named no page begins with the preferred one. */
export async function begin(): Promise<void> {
  const asked = place.value;
  await wearPreferences();
  const first = PAGES.find(({ path }) => pageOf(path) === kept?.first_page);
  // Whoever went to the overview meanwhile wants it.
  if (session.cameIn && first && asked === "/" && place.value === "/") go(first.path);
}

/** The name that the preferences give a page. */
export const pageOf = (path: string): string => (path === "/" ? "overview" : path.slice(1));

/** `symbols` with the preferred ones among them in front. */
export function inOrder(symbols: readonly string[], preferred: readonly string[]): string[] {
  const first = preferred.filter((symbol) => symbols.includes(symbol));
  return [...first, ...symbols.filter((symbol) => !first.includes(symbol))];
}

onForget(() => {
  kept = null;
  symbolsFirst.set([]);
});

/** Changes the theme at once and keeps it; throws `ApiError` when it cannot be kept. */
export async function chooseTheme(chosen: Theme): Promise<void> {
  wear(chosen);
  if (!kept) await wearPreferences();
  const { text } = await session.request("PUT", PATH, { body: { ...bodyOf(kept), theme: chosen } });
  kept = JSON.parse(text) as UserPreferences;
  wear(chosen);
}

function bodyOf(preferences: UserPreferences | null): Partial<UserPreferences> {
  if (!preferences) return {};
  const { time_zone, first_page, symbols } = preferences;
  // Keeping the theme must not make the default zone somebody's choice.
  return { time_zone: preferences.version > 0 ? time_zone : Intl.DateTimeFormat().resolvedOptions().timeZone, first_page, symbols };
}
