// The lists of symbols that strategies judge: see, change, add and take away.
import { useState } from "preact/hooks";
import type { TargetedSubmitEvent } from "preact";
import type { Page, Watchlist } from "../api/bodies";
import { Confirm, Dialog } from "../parts/dialog";
import { Buttons, Field } from "../parts/form";
import { ErrorNotice, Loaded, Panel } from "../parts/panel";
import { useMay } from "../parts/role";
import { SymbolLink } from "../parts/symbol";
import { toast } from "../parts/toast";
import { useRead } from "../store/hooks";
import { send, useSend } from "../store/send";

const PATH = "/api/config/watchlists";
const MOST_SHOWN = 60;
const EMPTY: Watchlist = { name: "", symbols: [], strategies: [], version: 0 };

export function Watchlists() {
  const view = useRead<Page<Watchlist>>(PATH);
  const mayChange = useMay("admin");
  const [edited, edit] = useState<Watchlist | null>(null);
  const [removed, remove] = useState<Watchlist | null>(null);
  const version = view.data?.items[0]?.version ?? 0;
  const aside = mayChange && view.data && (
    <button type="button" class="quiet" onClick={() => edit({ ...EMPTY, version })} data-testid="watchlist-add">
      Add a list
    </button>
  );
  return (
    <Panel title="Watchlists" testid="watchlists" aside={aside} view={view}>
      <Loaded view={view} what="watchlists">
        {(page) => (
          <ul class="watchlists">
            {page.items.map((list) => (
              <li key={list.name} data-testid="watchlist" data-name={list.name}>
                <div class="watchlist-head">
                  <h3>{list.name}</h3>
                  <span class="soft">
                    {counted(list.symbols.length)}, {list.strategies.length === 0 ? "judged by none" : `judged by ${list.strategies.join(", ")}`}
                  </span>
                  {mayChange && (
                    <span class="actions">
                      <button type="button" class="quiet" onClick={() => edit(list)} aria-label={`Change the watchlist ${list.name}`} data-testid="watchlist-edit">
                        Change
                      </button>
                      {list.name !== "default" && (
                        <button type="button" class="quiet" onClick={() => remove(list)} aria-label={`Remove the watchlist ${list.name}`} data-testid="watchlist-remove">
                          Remove
                        </button>
                      )}
                    </span>
                  )}
                </div>
                {list.symbols.length === 0 ? (
                  <p class="soft">No symbol.</p>
                ) : (
                  <p class="chips">
                    {list.symbols.slice(0, MOST_SHOWN).map((symbol) => (
                      <SymbolLink key={symbol} symbol={symbol} />
                    ))}
                    {list.symbols.length > MOST_SHOWN && <span class="soft">and {list.symbols.length - MOST_SHOWN} more</span>}
                  </p>
                )}
              </li>
            ))}
          </ul>
        )}
      </Loaded>
      {edited && <Edit list={edited} close={() => edit(null)} />}
      {removed && <Remove list={removed} close={() => remove(null)} />}
    </Panel>
  );
}

const counted = (count: number): string => `${count} ${count === 1 ? "symbol" : "symbols"}`;

const symbolsIn = (text: string): string[] => [...new Set(text.toUpperCase().split(/[\s,;]+/).filter(Boolean))];

function Edit({ list, close }: { list: Watchlist; close: () => void }) {
  const isNew = list.name === "";
  const [name, setName] = useState(list.name);
  const [text, setText] = useState(list.symbols.join(" "));
  const [reason, setReason] = useState("");
  const { busy, error, run } = useSend();
  const symbols = symbolsIn(text);
  const wrong = symbols.filter((symbol) => !/^[A-Z][A-Z0-9.]{0,9}$/.test(symbol));

  async function submit(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const saved = await run(() => send<Watchlist>("PUT", `${PATH}/${encodeURIComponent(name.trim())}`, { symbols, reason: reason.trim() }, { ifMatch: `"${list.version}"`, touches: ["/api/config"] }));
    if (!saved) return;
    toast("good", `${saved.name} has ${counted(saved.symbols.length)}`);
    close();
  }

  return (
    <Dialog title={isNew ? "Add a watchlist" : `Watchlist ${list.name}`} onClose={close} testid="watchlist-dialog">
      <form class="form" onSubmit={submit} noValidate autocomplete="off">
        {isNew && (
          <Field label="Name" error={error?.field === "name" ? error.message : undefined}>
            {(props) => <input {...props} value={name} maxLength={40} onInput={(event) => setName(event.currentTarget.value)} data-testid="watchlist-name" />}
          </Field>
        )}
        <Field label="Symbols" hint={`${counted(symbols.length)}, apart by spaces, commas or lines.`} error={wrong.length > 0 ? `No symbol: ${wrong.slice(0, 5).join(", ")}. Write them as AAPL or BRK.B.` : undefined}>
          {(props) => <textarea {...props} rows={6} spellcheck={false} value={text} onInput={(event) => setText(event.currentTarget.value)} data-testid="watchlist-symbols" />}
        </Field>
        <Field label="Reason" hint="Kept with the version.">
          {(props) => <input {...props} maxLength={200} value={reason} onInput={(event) => setReason(event.currentTarget.value)} data-testid="watchlist-reason" />}
        </Field>
        {error && <ErrorNotice error={error} what="watchlist" />}
        {error?.status === 412 && <p class="notice warn">What you typed is still here: copy it, close this, and open the list again to see what is new.</p>}
        <Buttons>
          <button type="button" class="quiet" onClick={close}>
            Back
          </button>
          <button type="submit" class="chief-button" disabled={busy || wrong.length > 0 || name.trim() === "" || reason.trim() === ""} data-testid="watchlist-save">
            Save
          </button>
        </Buttons>
      </form>
    </Dialog>
  );
}

function Remove({ list, close }: { list: Watchlist; close: () => void }) {
  async function remove(reason: string): Promise<void> {
    await send("DELETE", `${PATH}/${encodeURIComponent(list.name)}?reason=${encodeURIComponent(reason)}`, undefined, { ifMatch: `"${list.version}"`, touches: ["/api/config"] });
    toast("good", `The watchlist ${list.name} is gone`);
  }
  return <Confirm title={`Remove the watchlist ${list.name}?`} text={<p>What it names ({counted(list.symbols.length)}) is no longer judged by it.</p>} confirm="Remove it" tone="bad" reason onConfirm={remove} onClose={close} />;
}
