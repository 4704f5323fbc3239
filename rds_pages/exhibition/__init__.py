"""The exhibition page: phantoms and films, judged before visitors."""
