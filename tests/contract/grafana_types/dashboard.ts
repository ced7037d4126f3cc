// What a file in dashboards/ must be, by the types that a release of Grafana publishes. RELEASE is replaced by its package.
//
// The published types are meant for programs: enumerations where JSON has texts, and any option of any panel. Here the
// texts are those of the enumerations, and each kind of panel has its own options, so that nothing else passes.
import type * as Grafana from 'RELEASE';
import type { Against, Bars, Lines, Rows, Stat, States, Text } from './RELEASE-panels.ts';

type Json<T> = 0 extends 1 & T ? any
  : T extends string ? `${T}`
  : T extends number | boolean | null | undefined ? T
  : T extends (infer Item)[] ? Json<Item>[]
  : T extends object ? { [Key in keyof T]: Json<T[Key]> }
  : T;
type Some<T> = T extends (infer Item)[] ? Some<Item>[]
  : T extends object ? { [Key in keyof T]?: Some<T[Key]> }
  : T;

/** Units that our dashboards use: the published type takes any text. */
type Unit = 'none' | 'short' | 'watt' | 'joule' | 's' | 'percentunit' | 'bytes' | 'Bps' | 'ops' | 'massg' | 'hertz' | 'celsius'
  | 'dateTimeAsLocal';
type Step = { value: number | null; color: string };

interface Target {
  refId: string;
  expr: string;
  datasource: Grafana.DataSourceRef;
  legendFormat: string;
  editorMode: 'code';
  interval: '30s';
  instant?: boolean;
  range?: boolean;
  format?: 'time_series' | 'table';
}
type Defaults = Omit<Json<Grafana.FieldConfig>, 'unit' | 'custom' | 'thresholds'> & {
  unit: Unit;
  thresholds: { mode: 'absolute'; steps: Step[] };
};
type PanelOf<Kind extends string, Options, Custom> =
  & Omit<Json<Grafana.Panel>, 'type' | 'options' | 'fieldConfig' | 'targets'>
  & {
    type: Kind;
    id: number;
    title: string;
    description: string;
    options: Json<Options>;
    targets: Target[];
    fieldConfig: {
      defaults: Defaults & { custom?: Some<Json<Custom>> };
      overrides: Json<Grafana.FieldConfigSource['overrides']>;
    };
  };
type Note = Omit<Json<Grafana.Panel>, 'type' | 'options'> & { type: 'text'; id: number; options: Json<Text> };
type Panel =
  | PanelOf<'timeseries', Lines['options'], Lines['custom']>
  | PanelOf<'stat', Partial<Stat>, {}>
  | PanelOf<'table', Partial<Rows['options']>, Rows['custom']>
  | PanelOf<'state-timeline', States['options'], States['custom']>
  | PanelOf<'xychart', Against['options'], Against['custom']>
  | PanelOf<'bargauge', Partial<Bars>, {}>
  | Note;
type Annotation = Omit<Json<Grafana.AnnotationQuery>, 'target'> & {
  expr: string;
  step: string;
  titleFormat: string;
  textFormat: string;
};

export type Dashboard = Omit<Json<Grafana.Dashboard>, 'panels' | 'templating' | 'annotations'> & {
  uid: string;
  title: string;
  panels: (Panel | Json<Grafana.RowPanel>)[];
  templating: { list: Json<Grafana.VariableModel>[] };
  annotations: { list: Annotation[] };
};
