// The form that begins a backtest over stored bars.
import { useEffect } from "preact/hooks";
import type { TargetedSubmitEvent } from "preact";
import { TIMEFRAMES } from "../chart/timeframes";
import { marketDate } from "../format/time";
import { useConfig, watchlistOf } from "../panels/config";
import { Buttons, Field } from "../parts/form";
import { ErrorNotice } from "../parts/panel";
import { toast } from "../parts/toast";
import { Choice } from "../settings/strategies";
import { useDraft } from "../store/draft";
import { useRead } from "../store/hooks";
import { freshKey, send, useSend } from "../store/send";
import type { MarketStatus } from "../api/bodies";
import { pendingFor, type Pending } from "../ticket/ticket";
import { FetchBars } from "./bars";
import { BEGINNING, barsOf, faultsOf, requestOf, yearBefore, type Plan } from "./request";

export function BacktestForm({ begun }: { begun: (id: string) => void }) {
  const config = useConfig().data;
  const market = useRead<MarketStatus>("/api/market_status").data;
  const [plan, setPlan] = useDraft<Plan>("backtest", BEGINNING);
  const [pending, setPending] = useDraft<Pending | null>("backtest-pending", null);
  const { busy, error, run, forget } = useSend();
  const applied = (config?.settings.strategies ?? {}) as Readonly<Record<string, { timeframe: string }>>;
  const strategies = Object.keys(applied);
  useEffect(() => {
    if (plan.symbols !== "" || plan.end !== "" || !config || !market) return;
    const today = marketDate(market.now);
    setPlan({ ...plan, symbols: watchlistOf(config).slice(0, 20).join(" "), start: yearBefore(today), end: today });
  }, [config, market, plan]);

  const faults = faultsOf(plan);
  const request = requestOf(plan);
  const set = (changes: Partial<Plan>) => {
    forget();
    setPlan({ ...plan, ...changes });
  };

  async function submit(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    if (request === null) return;
    const sent = pendingFor(JSON.stringify(request), pending, freshKey);
    setPending(sent);
    const answer = await run(() => send<{ id: string }>("POST", "/api/backtests", request, { key: sent.key, touches: ["/api/backtests"] }));
    if (!answer) return;
    setPending(null);
    toast("plain", "The backtest is queued");
    begun(answer.id);
  }

  const told = (name: keyof Plan): string | undefined => faults[name] ?? (error?.field === name ? error.message : undefined);
  const amount = (name: "cash" | "seed" | "half_spread_bps" | "slippage_bps" | "fee_per_share_dollars" | "partial_fills", label: string, unit?: string, hint?: string) => (
    <Field label={label} unit={unit} hint={hint} error={told(name)}>
      {(props) => <input {...props} inputMode="decimal" value={plan[name]} onInput={(event) => set({ [name]: event.currentTarget.value })} data-testid={`backtest-${name}`} />}
    </Field>
  );
  return (
    <form class="form backtest-form" onSubmit={submit} noValidate autocomplete="off">
      <Field label="Symbols" hint="With stored bars; the watchlist to begin with." error={told("symbols")}>
        {(props) => <textarea {...props} rows={2} spellcheck={false} value={plan.symbols} onInput={(event) => set({ symbols: event.currentTarget.value })} data-testid="backtest-symbols" />}
      </Field>
      <div class="pair four">
        <Field label="First session" error={told("start")}>
          {(props) => <input {...props} type="date" value={plan.start} onInput={(event) => set({ start: event.currentTarget.value })} data-testid="backtest-start" />}
        </Field>
        <Field label="Last session" error={told("end")}>
          {(props) => <input {...props} type="date" value={plan.end} onInput={(event) => set({ end: event.currentTarget.value })} data-testid="backtest-end" />}
        </Field>
        <Choice label="Settings" value={plan.settings} options={["current", "default"]} set={(settings) => set({ settings: settings as Plan["settings"], strategies: [] })} testid="backtest-settings" />
        <Field label="Strategy">
          {(props) => (
            <select {...props} value={plan.strategies[0] ?? ""} onChange={(event) => set({ strategies: event.currentTarget.value ? [event.currentTarget.value] : [] })} data-testid="backtest-strategy">
              <option value="">{plan.settings === "current" ? "all of the settings" : "the default one"}</option>
              {plan.settings === "current" && strategies.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label="Bars" error={told("timeframe")}>
          {(props) => (
            <select {...props} value={plan.timeframe} onChange={(event) => set({ timeframe: event.currentTarget.value })} data-testid="backtest-timeframe">
              <option value="">as each strategy says</option>
              {TIMEFRAMES.map((timeframe) => (
                <option key={timeframe} value={timeframe}>
                  {timeframe}
                </option>
              ))}
            </select>
          )}
        </Field>
        {amount("cash", "Cash", "US dollars")}
      </div>
      <details class="more">
        <summary>Fills, fees and changed settings</summary>
        <div class="pair four">
          {amount("half_spread_bps", "Half the spread", "bps")}
          {amount("slippage_bps", "Slippage", "bps")}
          {amount("fee_per_share_dollars", "Fee", "$ a share")}
          {amount("partial_fills", "Filled in two parts", "share of orders, 0 to 1")}
          {amount("seed", "Seed", undefined, "The same seed gives the same trades.")}
        </div>
        <Field label="Changed settings" hint="One a line, such as risk.stop_loss_percent = 2 or strategy.rsi_period_bars = 10." error={told("changes")}>
          {(props) => <textarea {...props} rows={3} spellcheck={false} value={plan.changes} onInput={(event) => set({ changes: event.currentTarget.value })} data-testid="backtest-changes" />}
        </Field>
      </details>
      {error && !(error.field && error.field in plan) && <ErrorNotice error={error} what="backtest" />}
      <FetchBars wanted={barsOf(plan, applied)} />
      <Buttons>
        <button type="submit" class="chief-button" disabled={busy || request === null} data-testid="backtest-start-button">
          {busy ? "Sending …" : "Run the backtest"}
        </button>
      </Buttons>
    </form>
  );
}
