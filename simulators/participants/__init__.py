"""The buyers and sellers of the charging network, each bidding over HTTP."""
