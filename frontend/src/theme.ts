// Light, dark or as the system says. What was chosen is kept with the user's preferences by the API.
import type { UserPreferences } from "./api/bodies";
import { session } from "./desk";
import { setZone } from "./format/time";
import { Cell } from "./store/cell";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export const theme = new Cell<Theme>("system");
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
    kept = JSON.parse((await session.request("GET", PATH)).text) as UserPreferences;
  } catch {
    return;
  }
  const chosen = THEMES.find((each) => each === kept?.theme) ?? "system";
  wear(chosen);
  // Version 0 is nobody's choice.
  setZone(kept.version > 0 ? kept.time_zone : undefined);
}

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
