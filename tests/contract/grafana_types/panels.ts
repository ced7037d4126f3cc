// Options of each kind of panel in RELEASE.
import type * as BarGauge from 'RELEASE/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as StatPanel from 'RELEASE/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as StateTimeline from 'RELEASE/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as Table from 'RELEASE/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as TextPanel from 'RELEASE/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen';
import type * as TimeSeries from 'RELEASE/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type * as XYChart from 'RELEASE/dist/esm/raw/composable/xychart/panelcfg/x/XYChartPanelCfg_types.gen';

export type Against = { options: XYChart.Options; custom: XYChart.FieldConfig };
export type Bars = BarGauge.Options;
export type Lines = { options: TimeSeries.Options; custom: TimeSeries.FieldConfig };
export type Rows = { options: Table.Options; custom: Table.FieldConfig };
export type Stat = StatPanel.Options;
export type States = { options: StateTimeline.Options; custom: StateTimeline.FieldConfig };
export type Text = Partial<TextPanel.Options>;
