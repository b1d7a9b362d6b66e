// The switch between light, dark and the system's choice.
import { useEffect } from "preact/hooks";
import type { ApiError } from "../api/client";
import { toast } from "../parts/toast";
import { useCell } from "../store/hooks";
import { THEMES, begin, chooseTheme, theme } from "../theme";

const SHAPES = { system: "◐", light: "○", dark: "●" } as const;

export function ThemeSwitch() {
  const now = useCell(theme);
  useEffect(() => void begin(), []);
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]!;
  const change = () => chooseTheme(next).catch((error: ApiError) => toast("bad", `The theme is not kept: ${error.message}`));
  return (
    <button type="button" class="quiet" aria-label={`Theme: ${now}. Change to ${next}`} title={`Theme: ${now}`} onClick={change} data-testid="theme">
      {SHAPES[now]}
    </button>
  );
}
