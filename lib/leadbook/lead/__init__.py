"""What a lead is: keys, scores, the ledger, masks."""
