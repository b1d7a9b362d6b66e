// Names with their values, as a list; with a heading when it has one.
import type { ComponentChildren } from "preact";

export type Pair = readonly [name: string, value: ComponentChildren];

export const Pairs = ({ pairs }: { pairs: readonly Pair[] }) => (
  <dl class="pairs">
    {pairs.map(([name, value]) => (
      <div key={name}>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
);

export const TitledPairs = ({ title, pairs }: { title: string; pairs: readonly Pair[] }) => (
  <div>
    <h3>{title}</h3>
    <Pairs pairs={pairs} />
  </div>
);
