// Adding and taking away strategies: by name, as a new version of the settings.
import { useState } from "preact/hooks";
import type { TargetedSubmitEvent } from "preact";
import type { Configuration } from "../api/bodies";
import { Confirm, Dialog } from "../parts/dialog";
import { Buttons, Field } from "../parts/form";
import { ErrorNotice } from "../parts/panel";
import { toast } from "../parts/toast";
import { send, useSend } from "../store/send";
import type { Schema } from "./schema";

const TOUCHES = ["/api/config"];

export function RemoveStrategy({ name, version }: { name: string; version: number }) {
  const [asking, ask] = useState(false);
  async function remove(reason: string): Promise<void> {
    const saved = await send<Configuration>("POST", "/api/config", { reason, settings: { strategies: { [name]: null } } }, { ifMatch: `"${version}"`, touches: TOUCHES });
    toast("good", `Strategy ${name} is gone since version ${saved.version}`);
  }
  return (
    <div class="buttons start">
      <button type="button" class="quiet" onClick={() => ask(true)} data-testid={`remove-strategy-${name}`}>
        Remove this strategy
      </button>
      {asking && (
        <Confirm
          title={`Remove the strategy ${name}?`}
          text={<p>It judges nothing from the next run on. What it holds stays, with its stops and targets.</p>}
          confirm="Remove it"
          tone="bad"
          reason
          onConfirm={remove}
          onClose={() => ask(false)}
        />
      )}
    </div>
  );
}

export function AddStrategy({ root, config }: { root: Schema; config: Configuration }) {
  const [open, setOpen] = useState(false);
  return (
    <div class="buttons start">
      <button type="button" class="quiet" onClick={() => setOpen(true)} data-testid="add-strategy">
        Add a strategy
      </button>
      {open && <AddDialog root={root} config={config} close={() => setOpen(false)} />}
    </div>
  );
}

function AddDialog({ root, config, close }: { root: Schema; config: Configuration; close: () => void }) {
  const shape = root.$defs?.StrategySettings?.properties ?? {};
  const rules = (shape.rule?.enum ?? []).map(String);
  const frames = (root.$defs?.Timeframe?.enum ?? ["1Day"]).map(String);
  const [name, setName] = useState("");
  const [rule, setRule] = useState(rules[0] ?? "");
  const [timeframe, setTimeframe] = useState("1Day");
  const [mode, setMode] = useState("shadow");
  const [reason, setReason] = useState("");
  const { busy, error, run } = useSend();

  async function submit(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const settings = { strategies: { [name.trim()]: { rule, timeframe, mode } } };
    const saved = await run(() => send<Configuration>("POST", "/api/config", { reason: reason.trim(), settings }, { ifMatch: `"${config.version}"`, touches: TOUCHES }));
    if (!saved) return;
    toast("good", `Strategy ${name.trim()} judges since version ${saved.version}`);
    close();
  }

  const taken = name.trim() in ((config.settings.strategies ?? {}) as object);
  return (
    <Dialog title="Add a strategy" onClose={close} testid="add-strategy-dialog">
      <form class="form" onSubmit={submit} noValidate autocomplete="off">
        <Field label="Name" hint="Of your choice; it goes into signals and order ids." error={taken ? "There is a strategy of this name." : undefined}>
          {(props) => <input {...props} value={name} onInput={(event) => setName(event.currentTarget.value)} data-testid="strategy-name" />}
        </Field>
        <Choice label="Rule" value={rule} options={rules} set={setRule} hint="What it judges by; the parameters begin with their defaults." />
        <Choice label="Bars" value={timeframe} options={frames} set={setTimeframe} />
        <Choice label="Mode" value={mode} options={["shadow", "trade"]} set={setMode} hint="shadow records and tells its signals and trades nothing." />
        <Field label="Reason" hint="Kept with the version.">
          {(props) => <input {...props} maxLength={200} value={reason} onInput={(event) => setReason(event.currentTarget.value)} data-testid="strategy-reason" />}
        </Field>
        {error && <ErrorNotice error={error} what="new strategy" />}
        <Buttons>
          <button type="button" class="quiet" onClick={close}>
            Back
          </button>
          <button type="submit" class="chief-button" disabled={busy || taken || name.trim() === "" || reason.trim() === ""} data-testid="strategy-save">
            Add
          </button>
        </Buttons>
      </form>
    </Dialog>
  );
}

export function Choice({ label, value, options, set, hint, testid }: { label: string; value: string; options: readonly string[]; set: (value: string) => void; hint?: string; testid?: string }) {
  return (
    <Field label={label} hint={hint}>
      {(props) => (
        <select {...props} value={value} onChange={(event) => set(event.currentTarget.value)} data-testid={testid}>
          {options.map((option) => (
            <option key={option} value={option}>
              {option.replaceAll("_", " ")}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
