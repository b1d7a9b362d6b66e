// Whether the bot may trade, and the switch: a trader lowers it, an admin raises it.
import { useState } from "preact/hooks";
import type { CurrentTradingState } from "../api/bodies";
import { Moment, State, plain, type Tone } from "../parts/figures";
import { Confirm } from "../parts/dialog";
import { Loaded, Panel } from "../parts/panel";
import { useMay } from "../parts/role";
import { toast } from "../parts/toast";
import { useRead } from "../store/hooks";
import { send } from "../store/send";

export const STATE_TONES: Readonly<Record<string, Tone>> = { ACTIVE: "good", REDUCING: "busy", HALTED: "bad" };

const MEANS: Readonly<Record<string, string>> = {
  ACTIVE: "Signals become orders within the limits.",
  REDUCING: "Positions may be sold, none is opened or enlarged.",
  HALTED: "No order is sent. Stops and targets at the broker stay.",
};

const PATH = "/api/trading_state";

export const useTradingState = () => useRead<CurrentTradingState>(PATH);

export function TradingSwitch() {
  const view = useTradingState();
  return (
    <Panel title="Trading" testid="trading-switch" view={view}>
      <Loaded view={view} what="trading state" rows={2}>
        {(now) => <Standing now={now} />}
      </Loaded>
    </Panel>
  );
}

function Standing({ now }: { now: CurrentTradingState }) {
  return (
    <div class="standing">
      <p class="standing-state">
        <State tone={STATE_TONES[now.state] ?? "busy"}>{now.state}</State>
        {now.flattening && <span class="badge warn">selling everything</span>}
      </p>
      <p class="soft">{MEANS[now.state]}</p>
      {now.locks.map((lock) => (
        <p key={lock.code} class="notice bad">
          <strong>Locked by {plain(lock.code)}:</strong> {lock.reason} (<Moment at={lock.since} />)
        </p>
      ))}
      {now.reason && (
        <p class="soft">
          {now.reason}, {now.author}
          {now.changed_at && (
            <>
              , <Moment at={now.changed_at} />
            </>
          )}
        </p>
      )}
      <Switches now={now} />
    </div>
  );
}

type Target = "ACTIVE" | "REDUCING" | "HALTED";

const RANK: Readonly<Record<string, number>> = { HALTED: 0, REDUCING: 1, ACTIVE: 2 };

const OFFERS: readonly { to: Target; label: string; title: string }[] = [
  { to: "HALTED", label: "Halt trading", title: "Halt all trading?" },
  { to: "REDUCING", label: "Reduce only", title: "Only reduce from now on?" },
  { to: "ACTIVE", label: "Resume trading", title: "Let the bot trade again?" },
];

function Switches({ now }: { now: CurrentTradingState }) {
  const [asked, setAsked] = useState<Target | null>(null);
  const [flatten, setFlatten] = useState(false);
  const may = { lower: useMay("trader"), raise: useMay("admin") };
  // What was asked for counts here: a lock lowers the state for a while without changing that.
  const offers = OFFERS.filter(({ to }) => to !== now.asked && (RANK[to]! < RANK[now.asked]! ? may.lower : may.raise));
  const offer = OFFERS.find(({ to }) => to === asked);
  if (offers.length === 0) return <p class="soft">Changing it needs the role {now.asked === "ACTIVE" ? "trader" : "admin"}.</p>;
  async function change(reason: string): Promise<void> {
    const body = { state: asked, reason, flatten: flatten && asked !== "ACTIVE" };
    const answer = await send<CurrentTradingState>("POST", PATH, body, { touches: [PATH, "/api/account", "/api/risk"] });
    toast(answer.state === "ACTIVE" ? "good" : "plain", `Trading is ${answer.state}.`);
  }
  return (
    <div class="buttons start">
      {offers.map(({ to, label }) => (
        <button key={to} type="button" class={to === "HALTED" ? "danger-button" : "quiet"} onClick={() => setAsked(to)} data-testid={`to-${to}`}>
          {label}
        </button>
      ))}
      {offer && (
        <Confirm title={offer.title} text={MEANS[offer.to]} confirm={offer.label} tone={offer.to === "ACTIVE" ? "plain" : "bad"} reason onConfirm={change} onClose={() => setAsked(null)}>
          {offer.to !== "ACTIVE" && (
            <label class="check">
              <input type="checkbox" checked={flatten} onChange={(event) => setFlatten(event.currentTarget.checked)} data-testid="flatten" /> Also sell everything that is held, at market
            </label>
          )}
        </Confirm>
      )}
    </div>
  );
}
