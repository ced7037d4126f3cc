"""OpenTelemetry: what jobs did as traces, sent by OTLP. Imported only where a collector is named, for its memory."""
