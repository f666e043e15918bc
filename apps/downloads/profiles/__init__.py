"""Quality profiles and custom formats as rows: kept, taken from published documents, and asked what they think."""
