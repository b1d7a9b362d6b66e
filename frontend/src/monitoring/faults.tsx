// The paper exchange's switchboard of faults, on the laptop alone: what it spoils on purpose, and how often.
// The page asks the API; the exchange's token stays with the function behind it.
import { useId, useState } from "preact/hooks";
import type { TargetedSubmitEvent } from "preact";
import type { FaultInForce, FaultMix, FaultRules, Faults as Board } from "../api/bodies";
import { NONE } from "../format/money";
import { useAccount } from "../panels/account";
import { Confirm } from "../parts/dialog";
import { State, capital, plain } from "../parts/figures";
import { Buttons, Field } from "../parts/form";
import { ErrorNotice, Loaded, Panel } from "../parts/panel";
import { useMay } from "../parts/role";
import { Table, type Column } from "../parts/table";
import { toast } from "../parts/toast";
import { useDraft } from "../store/draft";
import { useRead } from "../store/hooks";
import { send, useSend } from "../store/send";
import { BEGINNING, extrasOf, isOfStreams, meaningOf, routesFor, ruleOf, standingOf, talliedBy, wrongIn, type Draft, type Extra } from "./rule";

const PATH = "/api/monitoring/faults";
const TOUCHES = { touches: [PATH] };

export function Faults() {
  return useAccount().data?.environment === "local" ? <Switchboard /> : null;
}

function Switchboard() {
  const view = useRead<Board>(PATH, 5_000);
  const mayChange = useMay("admin");
  const why = useId();
  return (
    <Panel title="Faults on purpose" testid="faults" view={view} aside={view.data && <Spoiling count={view.data.rules.length} />}>
      <p class="notice warn" data-testid="faults-warning">
        <strong>These spoil the paper exchange’s answers,</strong> for the whole bot and until they are cleared: orders, prices and streams come late, wrong, twice or never. What the exchange itself has in its books stays right.
      </p>
      {!mayChange && (
        <p class="soft" id={why} data-testid="faults-why">
          {NEEDS_ADMIN}
        </p>
      )}
      <Loaded view={view} what="faults">
        {(board) => <Controls board={board} mayChange={mayChange} why={mayChange ? undefined : why} />}
      </Loaded>
    </Panel>
  );
}

const NEEDS_ADMIN = "Changing them needs the role admin.";

const counted = (count: number): string => `${count} ${count === 1 ? "rule" : "rules"}`;

export const Spoiling = ({ count }: { count: number }) => <State tone={count === 0 ? "good" : "bad"}>{count === 0 ? "nothing is spoilt" : `${counted(count)} in force`}</State>;

function Controls({ board, mayChange, why }: { board: Board; mayChange: boolean; why: string | undefined }) {
  const { busy, error, run } = useSend();
  const [clearing, clear] = useState(false);

  async function add(mix: FaultMix): Promise<void> {
    const added = await run(() => send<FaultRules>("POST", PATH, { mix: mix.name }, TOUCHES));
    if (added) toast("plain", `The ${mix.name} mix is in force`);
  }
  async function remove({ rule }: FaultInForce): Promise<void> {
    const left = await run(() => send<FaultRules>("DELETE", `${PATH}/${encodeURIComponent(rule.id)}`, undefined, TOUCHES));
    if (left) toast("good", `The rule ${rule.id} is gone`);
  }
  async function clearAll(): Promise<void> {
    await send<FaultRules>("DELETE", PATH, undefined, TOUCHES);
    toast("good", "The exchange answers as it should");
  }
  const able = mayChange && !busy;
  return (
    <div class="faults">
      <Mixes board={board} able={able} why={why} add={(mix) => void add(mix)} />
      {error && <ErrorNotice error={error} what="change" />}
      <InForce board={board} able={able} why={why} remove={(one) => void remove(one)} clear={() => clear(true)} />
      <details class="more">
        <summary data-testid="fault-own">A rule of one’s own</summary>
        <OwnRule board={board} mayChange={mayChange} why={why} />
      </details>
      {clearing && <Confirm title="Clear all faults?" text={<p>{board.rules.length === 1 ? "The rule" : `All ${counted(board.rules.length)}`}, whoever put them there. What was spoilt so far stays counted.</p>} confirm="Clear all" onConfirm={clearAll} onClose={() => clear(false)} />}
    </div>
  );
}

const BLOCKED = "Some of its rules are in force already: clear them first.";

interface MixesProps {
  board: Board;
  able: boolean;
  why: string | undefined;
  add: (mix: FaultMix) => void;
}

export const Mixes = ({ board, able, why, add }: MixesProps) => (
  <div class="buttons start" role="group" aria-label="Mixes of faults">
    {board.mixes.map((mix) => {
      const standing = standingOf(mix, board);
      return (
        <button key={mix.name} type="button" class="quiet" disabled={!able || standing !== "off"} aria-pressed={standing === "on"} aria-describedby={why} title={standing === "blocked" ? BLOCKED : undefined} onClick={() => add(mix)} data-testid={`fault-mix-${mix.name}`}>
          {capital(mix.name)} mix, {counted(mix.rules.length)}{standing === "on" && ": in force"}
        </button>
      );
    })}
  </div>
);

const often = (probability: number): string => `${(probability * 100).toLocaleString("en-US", { maximumFractionDigits: 2 })}%`;

/** A group's name is a code, a pattern such as `GET /v2/clock` stands as it is. */
const whom = (route: string): string => (route.includes("/") ? route : plain(route));

const COLUMNS: readonly Column<FaultInForce>[] = [
  {
    head: "Goes wrong, and for whom",
    cell: ({ rule }) => (
      <span class="wrap">
        <strong>{meaningOf(rule.kind)}</strong>, <span class="soft">{rule.route ? whom(rule.route) : isOfStreams(rule.kind) ? "every stream" : "every request it fits"}</span>
      </span>
    ),
  },
  { head: "Chance", amount: true, wide: true, cell: ({ rule }) => often(rule.probability) },
  { head: "At most", amount: true, wide: true, cell: ({ rule }) => (rule.times === null ? NONE : `${rule.times.toLocaleString("en-US")} times`) },
  { head: "Met", amount: true, wide: true, cell: (one) => one.matched.toLocaleString("en-US") },
  { head: "Spoilt", amount: true, cell: (one) => one.injected.toLocaleString("en-US") },
];

interface InForceProps {
  board: Board;
  able: boolean;
  why: string | undefined;
  remove: (one: FaultInForce) => void;
  clear: () => void;
}

export function InForce({ board, able, why, remove, clear }: InForceProps) {
  const away: Column<FaultInForce> = {
    head: "Take away",
    plainHead: true,
    narrow: true,
    cell: (one) => (
      <button type="button" class="quiet" disabled={!able} aria-describedby={why} aria-label={`Take away the rule ${one.rule.id}`} onClick={() => remove(one)} data-testid="fault-remove">
        Take away
      </button>
    ),
  };
  const tally = talliedBy(board.injected);
  return (
    <>
      {board.rules.length === 0 ? (
        <p class="empty" data-testid="faults-none">
          No fault is in force: the exchange answers as it should.
        </p>
      ) : (
        <Table caption="Faults in force and what they hit" columns={[...COLUMNS, away]} rows={board.rules} rowKey={({ rule }) => rule.id} rowProps={({ rule, injected }) => ({ "data-testid": "fault-row", "data-rule": rule.id, "data-injected": String(injected) })} />
      )}
      <p class="soft" data-testid="faults-tally">
        Spoilt since the exchange began: {tally || "nothing"}.
      </p>
      {board.rules.length > 0 && (
        <div class="buttons start">
          <button type="button" class="chief-button" disabled={!able} aria-describedby={why} onClick={clear} data-testid="faults-clear">
            Clear all
          </button>
        </div>
      )}
    </>
  );
}

const EXTRA_LABELS: Readonly<Record<Extra, readonly [label: string, unit: string, hint?: string]>> = {
  milliseconds: ["Late by", "ms"],
  most_milliseconds: ["At most by", "ms", "Drawn between the two; always the first where empty."],
  retry_after: ["Tells to wait", "s"],
  status: ["Status", "HTTP"],
  age_seconds: ["Behind by", "s"],
  event: ["Type of message", "", "Such as fill or t; every one where empty."],
};

function OwnRule({ board, mayChange, why }: { board: Board; mayChange: boolean; why: string | undefined }) {
  const [draft, setDraft, forgetDraft] = useDraft<Draft>("fault", BEGINNING);
  const { busy, error, run, forget } = useSend();
  const wrong = wrongIn(draft);
  const rule = ruleOf(draft, board.routes);
  const routes = routesFor(draft.kind, board.routes);
  const set = (changes: Partial<Draft>) => {
    forget();
    setDraft({ ...draft, ...changes });
  };

  async function submit(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    if (rule === null) return;
    const added = await run(() => send<FaultRules>("POST", PATH, { rule }, TOUCHES));
    if (!added) return;
    toast("plain", `The rule ${added.rules.map((one) => one.rule.id).join(", ")} is in force`);
    forgetDraft();
  }

  const amount = (name: "percent" | "times" | Extra, label: string, unit: string, hint?: string) => (
    <Field key={name} label={label} unit={unit} hint={hint} error={wrong[name]}>
      {(props) => <input {...props} inputMode={name === "event" ? "text" : "decimal"} maxLength={40} value={draft[name]} onInput={(event) => set({ [name]: event.currentTarget.value })} data-testid={`fault-${name}`} />}
    </Field>
  );
  return (
    <form class="form" onSubmit={submit} noValidate autocomplete="off">
      <fieldset class="bare" disabled={!mayChange || busy} aria-label="A rule of one’s own" aria-describedby={why}>
        <div class="pair four">
          <Field label="What goes wrong">
            {(props) => (
              <select {...props} value={draft.kind} onChange={(event) => set({ kind: event.currentTarget.value, route: "" })} data-testid="fault-kind">
                {board.kinds.map((kind) => (
                  <option key={kind} value={kind}>
                    {meaningOf(kind)}
                  </option>
                ))}
              </select>
            )}
          </Field>
          {routes.length > 0 && (
            <Field label="Whom it meets">
              {(props) => (
                <select {...props} value={draft.route} onChange={(event) => set({ route: event.currentTarget.value })} data-testid="fault-route">
                  <option value="">{isOfStreams(draft.kind) ? "every stream" : "every request"}</option>
                  {routes.map((route) => (
                    <option key={route} value={route}>
                      {plain(route)}
                    </option>
                  ))}
                </select>
              )}
            </Field>
          )}
          {amount("percent", "Chance", "%", "Of each that it meets.")}
          {amount("times", "At most", "times", "No limit where empty.")}
          {extrasOf(draft.kind).map((name) => amount(name, ...EXTRA_LABELS[name]))}
        </div>
        {error && <ErrorNotice error={error} what="rule" />}
        <Buttons>
          <button type="submit" class="chief-button" disabled={rule === null} data-testid="fault-add">
            Put it in force
          </button>
        </Buttons>
      </fieldset>
    </form>
  );
}
