// Which changes of the trading state a reader is offered, and what is sent for one. Pure.
import type { CurrentTradingState } from "../api/bodies";

export type Target = "ACTIVE" | "REDUCING" | "HALTED";

export interface Offer {
  to: Target;
  label: string;
  title: string;
  /** Sells everything whatever is ticked: nothing else would change. */
  sells: boolean;
}

const RANK: Readonly<Record<string, number>> = { HALTED: 0, REDUCING: 1, ACTIVE: 2 };

const OFFERS: readonly Offer[] = [
  { to: "HALTED", label: "Halt trading", title: "Halt all trading?", sells: false },
  { to: "REDUCING", label: "Reduce only", title: "Only reduce from now on?", sells: false },
  { to: "ACTIVE", label: "Resume trading", title: "Let the bot trade again?", sells: false },
];

const SELL: Offer = { to: "REDUCING", label: "Sell everything", title: "Sell everything that is held?", sells: true };

/** What was asked for counts here: a lock lowers the state for a while without changing that. */
export function offersFor(now: CurrentTradingState, may: { lower: boolean; raise: boolean }): Offer[] {
  const changes = OFFERS.filter(({ to }) => to !== now.asked && (RANK[to]! < RANK[now.asked]! ? may.lower : may.raise));
  const sells = now.asked === "REDUCING" && !now.flattening && (now.state === "HALTED" ? may.raise : may.lower);
  return sells ? [...changes, SELL] : changes;
}

/** Selling everything goes with REDUCING alone: HALTED would stop those orders too, ACTIVE buys again. */
export const changeOf = (offer: Offer, reason: string, ticked: boolean) => ({
  state: offer.to,
  reason,
  flatten: offer.sells || (offer.to === "REDUCING" && ticked),
});
