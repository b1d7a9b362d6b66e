// One table for every list: columns are data, so that a page reads as what it shows.
import { Fragment, type ComponentChildren } from "preact";

export interface Column<T> {
  head: string;
  cell: (row: T) => ComponentChildren;
  /** Amounts stand at the right, in figures of one width. */
  amount?: boolean;
  /** No wider than what it holds. */
  narrow?: boolean;
  /** Left out on a phone. */
  wide?: boolean;
  /** Its head is read, not seen. */
  plainHead?: boolean;
}

interface TableProps<T> {
  caption: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  rowKey: (row: T) => string;
  testid?: string;
  rowProps?: (row: T) => Record<string, string>;
  /** A row below a row, as wide as the table. */
  below?: (row: T) => ComponentChildren;
}

function looks<T>(column: Column<T>): string {
  return [column.amount && "amount", column.narrow && "narrow", column.wide && "wide"].filter(Boolean).join(" ");
}

export function Table<T>({ caption, columns, rows, rowKey, testid, rowProps, below }: TableProps<T>) {
  return (
    <div class="scroll" role="group" aria-label={caption} tabIndex={0}>
      <table data-testid={testid}>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.head} scope="col" class={looks(column)}>
                {column.plainHead ? <span class="unseen">{column.head}</span> : column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => {
            const more = below?.(row);
            return (
              <Fragment key={rowKey(row)}>
                <tr {...rowProps?.(row)}>
                  {columns.map((column) => (
                    <td key={column.head} class={looks(column)}>
                      {column.cell(row)}
                    </td>
                  ))}
                </tr>
                {more && (
                  <tr class="below">
                    <td colSpan={columns.length}>{more}</td>
                  </tr>
                )}
              </Fragment>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
