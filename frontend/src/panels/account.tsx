// The account's figures in one strip, and our books beside the broker's.
import type { Account } from "../api/bodies";
import { gap, money } from "../format/money";
import { Figure, Moment, Money, State, type Tone } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { useRead } from "../store/hooks";

const STATE_TONES: Readonly<Record<string, Tone>> = { ACTIVE: "good", REDUCING: "busy", HALTED: "bad" };

export const useAccount = () => useRead<Account>("/api/account");

export function AccountStrip() {
  const view = useAccount();
  return (
    <section class="panel strip" aria-label="Account">
      <Loaded view={view} what="account figures" rows={1}>
        {(account) => (
          <dl class="figures">
            <Figure label="Equity" testid="account-equity" value={account.equity}>
              <span class="chief">{money(account.equity)}</span>
            </Figure>
            <Figure label="Cash" testid="account-cash" value={account.cash}>
              <Money amount={account.cash} />
            </Figure>
            <Figure label="Buying power" testid="account-buying-power" value={account.buying_power}>
              <Money amount={account.buying_power} />
            </Figure>
            <Figure label="Position value" testid="account-position-value" value={account.position_value}>
              <Money amount={account.position_value} />
            </Figure>
            <Figure label="Trading" testid="trading-state" value={account.trading_state}>
              <State tone={STATE_TONES[account.trading_state] ?? "busy"}>{account.trading_state}</State>
            </Figure>
          </dl>
        )}
      </Loaded>
    </section>
  );
}

interface Line {
  name: string;
  ours: string;
  theirs: string;
}

export function Books() {
  const view = useAccount();
  const aside = view.data && (
    <>
      as of <Moment at={view.data.as_of} />
    </>
  );
  return (
    <Panel title="Our books and the broker's" aside={aside}>
      <Loaded view={view} what="books" rows={2}>
        {(account) => <BooksTable account={account} />}
      </Loaded>
    </Panel>
  );
}

function BooksTable({ account }: { account: Account }) {
  const lines: Line[] = [
    { name: "Cash", ours: account.cash, theirs: account.broker_cash },
    { name: "Equity", ours: account.equity, theirs: account.broker_equity },
  ];
  const apart = lines.filter((line) => gap(line.ours, line.theirs) !== null);
  const agree = apart.length === 0;
  return (
    <div class="books">
      <table>
        <caption class="unseen">Cash and equity, ours and the broker's</caption>
        <thead>
          <tr>
            <td />
            <th scope="col" class="amount">Ours</th>
            <th scope="col" class="amount">Broker</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <tr key={line.name}>
              <th scope="row">{line.name}</th>
              <td class="amount">{money(line.ours)}</td>
              <td class="amount">{money(line.theirs)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class={agree ? "verdict up" : "verdict down"} data-testid="books-agree" data-agree={String(agree)}>
        <span class="shape" aria-hidden="true">
          {agree ? "✓" : "✕"}
        </span>
        {agree ? "Agree to the cent" : apart.map((line) => `${line.name} differs by ${gap(line.ours, line.theirs)}`).join("; ")}
      </p>
    </div>
  );
}
