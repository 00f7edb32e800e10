"""WorkBench: ranking tasks of the labour market, evaluated without a matrix of scores."""
