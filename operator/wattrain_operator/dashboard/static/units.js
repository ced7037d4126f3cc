// Figures as people read them: unit, sign of the currency, names of values, and the words for what is not known.

const NUMBERS = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const SI = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"]];
const BINARY = [[2 ** 40, "Ti"], [2 ** 30, "Gi"], [2 ** 20, "Mi"], [2 ** 10, "Ki"], [1, ""]];

function number(value, decimals) {
  const vanishes = value !== 0 && Math.abs(value) < 0.5 * 10 ** -decimals;
  if (decimals != null && !vanishes) return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  if (value !== 0 && Math.abs(value) < 1e-5) return value.toExponential(2).replaceAll("-", "−");
  return Number.isInteger(value) || Math.abs(value) >= 1000 ? WHOLE.format(value) : NUMBERS.format(value);
}

function scaled(prefixes, unit) {
  return (value, decimals) => {
    const [size, prefix] = value === 0 ? [1, ""] : prefixes.find(([least]) => Math.abs(value) >= least) ?? prefixes.at(-1);
    return `${number(value / size, decimals)} ${prefix}${unit}`.trimEnd();
  };
}

function suffixed(unit, factor = 1) {
  return (value, decimals) => `${number(value * factor, decimals)} ${unit}`;
}

function duration(value, decimals) {
  const sign = value < 0 ? "−" : "", seconds = Math.abs(value);
  if (seconds < 60) return sign + scaled(SI.slice(4), "s")(seconds, decimals);
  const whole = Math.round(seconds), two = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(whole / 60), hours = Math.floor(minutes / 60), days = Math.floor(hours / 24);
  if (days) return `${sign}${days} d ${two(hours % 24)} h`;
  return hours ? `${sign}${hours} h ${two(minutes % 60)} min` : `${sign}${minutes} min ${two(whole % 60)} s`;
}

const moment = (milliseconds) => new Date(milliseconds).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const share = suffixed("%", 100);
const FORMATS = {
  none: number, short: scaled(SI.slice(0, 5), ""), string: String,
  watt: scaled(SI, "W"), kwatt: (v, d) => FORMATS.watt(v * 1e3, d), mwatt: (v, d) => FORMATS.watt(v / 1e3, d), megwatt: (v, d) => FORMATS.watt(v * 1e6, d),
  joule: scaled(SI, "J"), watth: scaled(SI, "Wh"), kwatth: (v, d) => FORMATS.watth(v * 1e3, d),
  massg: scaled(SI, "g"), masskg: (v, d) => FORMATS.massg(v * 1e3, d), massmg: (v, d) => FORMATS.massg(v / 1e3, d),
  s: duration, ms: (v, d) => duration(v / 1e3, d), m: (v, d) => duration(v * 60, d), h: (v, d) => duration(v * 3600, d), dtdurations: duration,
  percentunit: share, percent: suffixed("%"), celsius: suffixed("°C"),
  bytes: scaled(BINARY, "B"), decbytes: scaled(SI.slice(0, 5), "B"), Bps: scaled(SI.slice(0, 5), "B/s"), binBps: scaled(BINARY, "B/s"),
  ops: scaled(SI.slice(0, 5), "ops/s"), reqps: scaled(SI.slice(0, 5), "req/s"),
  hertz: scaled(SI, "Hz"), tflops: (v, d) => scaled(SI, "FLOP/s")(v * 1e12, d), bool: (v) => (v ? "true" : "false"),
  dateTimeAsLocal: moment, dateTimeAsLocalNoDateIfToday: moment, dateTimeAsIso: (v) => new Date(v).toISOString(),
};

function mapped(value, mappings) {
  for (const { type, options } of mappings ?? []) {
    if (type === "value" && options[String(value)]) return options[String(value)];
    if (type === "range" && value >= (options.from ?? -Infinity) && value <= (options.to ?? Infinity)) return options.result;
    if (type === "special") {
      const fits = { nan: Number.isNaN(value), null: value == null, "null+nan": value == null || Number.isNaN(value) };
      if (fits[options.match]) return options.result;
    }
  }
  return undefined;
}

/** Text and colour (of Grafana's names; may be undefined) of a value by a field's configuration. */
export function shown(value, field = {}) {
  const named = mapped(value, field.mappings);
  const limits = (field.thresholds?.steps ?? []).filter((step) => step.value == null || value >= step.value);
  return { text: named?.text ?? formatted(value, field), color: named?.color ?? limits.at(-1)?.color };
}

/** Text of a value in the field's unit. Throws where the unit is not known: a figure without its unit says nothing. */
export function formatted(value, field = {}) {
  if (value == null) return field.noValue ?? "no data";
  if (typeof value === "string") return value;
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "not a number" : value > 0 ? "∞" : "−∞";
  const unit = field.unit ?? "short";
  const currency = /^currency([A-Z]{3})$/.exec(unit);
  if (currency) return `${currency[1]} ${number(value, field.decimals)}`;
  const format = FORMATS[unit];
  if (!format) throw new Error(`unit ${unit}: not known to this page`);
  return format(value, field.decimals);
}

/** Units whose figures are energy, or follow from it: each is shown with how it is known. */
export const ENERGY_UNITS = new Set(["watt", "kwatt", "mwatt", "megwatt", "joule", "watth", "kwatth", "massg", "masskg", "massmg"]);
