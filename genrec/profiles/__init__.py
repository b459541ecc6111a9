"""Who a customer is, from what they chose: traits with evidence, segments, drift, forgetting."""
