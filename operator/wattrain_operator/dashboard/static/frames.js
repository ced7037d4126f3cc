// From the answers of a panel's queries to the table that Grafana would make of them.

/** { columns: [names], rows: [{ column: value }], origin: { column: refId } } after the panel's transformations. */
export function tableOf(panel, results) {
  let table = merged(results);
  for (const { id, options, disabled } of panel.transformations ?? []) {
    if (disabled) continue;
    const transform = TRANSFORMATIONS[id];
    if (!transform) throw new Error(`transformation ${id}: not known to this page`);
    table = transform(table, options ?? {});
  }
  return table;
}

/** The same of queries over time, a row for each moment, as the tables of a panel: several where a transformation has parted them. */
export function tablesOf(panel, results) {
  let tables = [overTime(results)];
  for (const { id, options, disabled } of panel.transformations ?? []) {
    if (disabled) continue;
    const transform = id === "partitionByValues" ? partitioned : TRANSFORMATIONS[id];
    if (!transform) throw new Error(`transformation ${id}: not known to this page`);
    tables = tables.flatMap((table) => transform(table, options ?? {}));
  }
  return tables;
}

/** A row for each set of labels and each moment, in the order of time. */
function overTime(results) {
  const rows = new Map(), columns = new Set(["Time"]), origin = {};
  for (const { target, series } of results) {
    const name = results.length > 1 ? `Value #${target.refId}` : "Value";
    for (const { labels, points } of series) {
      const identity = JSON.stringify(Object.entries(labels).sort());
      Object.keys(labels).forEach((label) => columns.add(label));
      for (const [time, value] of points) {
        const key = `${identity} ${time}`;
        if (!rows.has(key)) rows.set(key, { ...labels, Time: time });
        rows.get(key)[name] = value;
      }
    }
    origin[name] = target.refId;
  }
  return { columns: [...columns, ...Object.keys(origin)], rows: [...rows.values()].sort((a, b) => a.Time - b.Time), origin };
}

/** A table for each set of values of some columns, called by them. */
function partitioned({ columns, rows, origin }, { fields = [], keepFields = false }) {
  const parts = new Map();
  for (const row of rows) {
    const name = fields.map((field) => row[field] ?? "").join(" ");
    if (!parts.has(name)) parts.set(name, []);
    parts.get(name).push(row);
  }
  const kept = keepFields ? columns : columns.filter((column) => !fields.includes(column));
  return [...parts].map(([name, members]) => ({ name, columns: kept, rows: members, origin }));
}

/** A row for each set of labels; the value of each query is a column of its own. Rows that agree in what both have are one. */
function merged(results) {
  const columns = [], rows = [], origin = {}, several = results.length > 1;
  const add = (name) => { if (!columns.includes(name)) columns.push(name); };
  for (const { target, series } of results) {
    const value = several ? `Value #${target.refId}` : "Value";
    for (const { labels, points } of series) {
      const row = rows.find((each) => !(value in each) && agree(each, labels)) ?? {};
      if (!rows.includes(row)) rows.push(row);
      Object.assign(row, labels, { [value]: points.at(-1)?.[1] });
      Object.keys(labels).forEach(add);
    }
  }
  for (const { target } of results) {
    const value = several ? `Value #${target.refId}` : "Value";
    add(value);
    origin[value] = target.refId;
  }
  return { columns, rows, origin };
}

const agree = (row, labels) => Object.entries(labels).every(([name, value]) => !(name in row) || row[name] === value) && Object.keys(row).every((name) => name.startsWith("Value") || !(name in labels) || row[name] === labels[name]);

const TRANSFORMATIONS = {
  merge: (table) => table,
  organize({ columns, rows, origin }, { excludeByName = {}, renameByName = {}, indexByName = {} }) {
    const kept = columns.filter((name) => !excludeByName[name]);
    kept.sort((a, b) => (indexByName[a] ?? columns.indexOf(a)) - (indexByName[b] ?? columns.indexOf(b)));
    const named = (name) => renameByName[name] || name;
    return {
      columns: kept.map(named),
      rows: rows.map((row) => Object.fromEntries(kept.filter((name) => name in row).map((name) => [named(name), row[name]]))),
      origin: Object.fromEntries(kept.map((name) => [named(name), origin[name]])),
    };
  },
  sortBy({ columns, rows, origin }, { sort = [] }) {
    const [{ field, desc } = {}] = sort;
    const sorted = [...rows].sort((a, b) => (a[field] ?? -Infinity) - (b[field] ?? -Infinity) || String(a[field] ?? "").localeCompare(String(b[field] ?? "")));
    return { columns, rows: desc ? sorted.reverse() : sorted, origin };
  },
  limit: ({ columns, rows, origin }, { limitField = 10 }) => ({ columns, rows: rows.slice(0, Number(limitField)), origin }),
};
