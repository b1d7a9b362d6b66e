// How much of the risk limits is used; the rest of them are on the page of settings.
import type { RiskLimits } from "../api/bodies";
import { percent, quantity } from "../format/money";
import { Bar } from "../parts/bar";
import { Loaded, Panel } from "../parts/panel";
import { number } from "../results/numbers";
import { useRead } from "../store/hooks";

interface Shown {
  name: string;
  label: string;
  unit: "%" | "×" | "";
}

/** In the order of how soon they end a day's trading. */
const SHOWN: readonly Shown[] = [
  { name: "daily_loss_limit_percent", label: "Loss of the day", unit: "%" },
  { name: "drawdown_limit_percent", label: "Drawdown", unit: "%" },
  { name: "total_exposure_limit_percent", label: "Exposure", unit: "%" },
  { name: "position_limit_percent", label: "Largest position", unit: "%" },
  { name: "sector_limit_percent", label: "Largest known sector", unit: "%" },
  { name: "leverage_limit", label: "Leverage", unit: "×" },
  { name: "open_positions_limit", label: "Open positions", unit: "" },
  { name: "orders_per_minute_limit", label: "Orders this minute", unit: "" },
  { name: "loss_streak_limit_trades", label: "Losses in a row", unit: "" },
  { name: "stop_guard_limit_stops", label: "Stops hit", unit: "" },
];

/** From here on a limit is close. */
const CLOSE = 0.8;

const amount = (text: string, unit: Shown["unit"]): string => (unit === "%" ? percent(text, 1) : unit === "×" ? `${number(Number(text))}×` : quantity(text));

export function Limits() {
  const view = useRead<RiskLimits>("/api/risk/limits");
  return (
    <Panel title="Limits used" testid="limits" view={view}>
      <Loaded view={view} what="limits" rows={5}>
        {({ limits, used }) => (
          <ul class="limits">
            {SHOWN.filter(({ name }) => name in limits && name in used).map(({ name, label, unit }) => (
              <Limit key={name} label={label} unit={unit} limit={limits[name]!} used={used[name]!} />
            ))}
          </ul>
        )}
      </Loaded>
    </Panel>
  );
}

function Limit({ label, unit, limit, used }: { label: string; unit: Shown["unit"]; limit: string; used: string }) {
  const share = Number(limit) > 0 ? Number(used) / Number(limit) : 0;
  const tone = share >= 1 ? "down" : share >= CLOSE ? "warn" : "";
  return (
    <li>
      <span>{label}</span>
      <span class={`amount ${tone}`}>
        {amount(used, unit)} <span class="soft">of {amount(limit, unit)}</span>
      </span>
      <Bar label={`${label}, of its limit`} share={share} tone={tone || "accent"} />
    </li>
  );
}
