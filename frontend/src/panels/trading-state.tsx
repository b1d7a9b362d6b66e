// Whether the bot may trade, and the switch: a trader lowers it, an admin raises it.
import { useState } from "preact/hooks";
import type { CurrentTradingState } from "../api/bodies";
import { Moment, State, WallMoment, plain, type Tone } from "../parts/figures";
import { Confirm } from "../parts/dialog";
import { Loaded, Panel } from "../parts/panel";
import { useMay } from "../parts/role";
import { toast } from "../parts/toast";
import { useRead } from "../store/hooks";
import { send } from "../store/send";
import { changeOf, offersFor, type Offer } from "./switch";

export const STATE_TONES: Readonly<Record<string, Tone>> = { ACTIVE: "good", REDUCING: "busy", HALTED: "bad" };

const MEANS: Readonly<Record<string, string>> = {
  ACTIVE: "Signals become orders within the limits.",
  REDUCING: "Positions may be sold, none is opened or enlarged.",
  HALTED: "No order is sent. Stops and targets at the broker stay.",
};

const PATH = "/api/trading_state";

const useTradingState = () => useRead<CurrentTradingState>(PATH);

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
              , <WallMoment at={now.changed_at} />
            </>
          )}
        </p>
      )}
      <Switches now={now} />
    </div>
  );
}

const NOTHING_IS_SOLD = "Nothing is sold either while trading is halted. To sell everything that is held, choose Reduce only.";

function Switches({ now }: { now: CurrentTradingState }) {
  const [offer, setOffer] = useState<Offer | null>(null);
  const [flatten, setFlatten] = useState(false);
  const offers = offersFor(now, { lower: useMay("trader"), raise: useMay("admin") });
  if (offers.length === 0) return <p class="soft">Changing it needs the role {now.asked === "ACTIVE" ? "trader" : "admin"}.</p>;
  function ask(chosen: Offer): void {
    setFlatten(false);
    setOffer(chosen);
  }
  async function change(chosen: Offer, reason: string): Promise<void> {
    const body = changeOf(chosen, reason, flatten);
    const answer = await send<CurrentTradingState>("POST", PATH, body, { touches: [PATH, "/api/account", "/api/risk"] });
    toast(answer.state === "ACTIVE" ? "good" : "plain", `Trading is ${answer.state}${body.flatten ? ", everything is being sold" : ""}.`);
  }
  return (
    <div class="buttons start">
      {offers.map((each) => (
        <button key={each.label} type="button" class={each.to === "HALTED" || each.sells ? "danger-button" : "quiet"} onClick={() => ask(each)} data-testid={each.sells ? "sell-everything" : `to-${each.to}`}>
          {each.label}
        </button>
      ))}
      {offer && (
        <Confirm
          title={offer.title}
          text={offer.sells ? "Every position is sold at market; none is opened." : MEANS[offer.to]}
          confirm={offer.label}
          tone={offer.to === "ACTIVE" ? "plain" : "bad"}
          reason
          onConfirm={(reason) => change(offer, reason)}
          onClose={() => setOffer(null)}
        >
          {offer.to === "HALTED" && <p class="soft">{NOTHING_IS_SOLD}</p>}
          {offer.to === "REDUCING" && !offer.sells && (
            <label class="check">
              <input type="checkbox" checked={flatten} onChange={(event) => setFlatten(event.currentTarget.checked)} data-testid="flatten" /> Also sell everything that is held, at market
            </label>
          )}
        </Confirm>
      )}
    </div>
  );
}
