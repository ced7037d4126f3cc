"""OpenTelemetry: what jobs did and their figures, sent by OTLP. Imported only where a collector is named."""
