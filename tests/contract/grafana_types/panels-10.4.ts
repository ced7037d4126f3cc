// Grafana 10.4 publishes no options of panels: those of RELEASE are any.
export type Against = { options: any; custom: any };
export type Bars = any;
export type Lines = { options: any; custom: any };
export type Rows = { options: any; custom: any };
export type Stat = any;
export type States = { options: any; custom: any };
export type Text = any;
