// The paper exchange's switchboard of faults, on the laptop alone. Its token belongs to the command line:
// a page that held it could be made to step the exchange's clock or to lose its orders.
import { useAccount } from "../panels/account";
import { Panel } from "../parts/panel";

const COMMANDS = [
  ["alpaquero faults", "shows the faults in force and what they hit"],
  ["alpaquero faults --help", "how to add a rule, a mix or take all away"],
  ["alpaquero logs trading", "what the bot made of them"],
] as const;

export function Faults() {
  const account = useAccount().data;
  if (account?.environment !== "local") return null;
  return (
    <Panel title="Faults on purpose" testid="faults">
      <p>The paper exchange can refuse, delay, lose and double on purpose. Its switchboard is on the command line of this machine:</p>
      <dl class="pairs">
        {COMMANDS.map(([command, does]) => (
          <div key={command}>
            <dt>
              <code>{command}</code>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Panel>
  );
}
