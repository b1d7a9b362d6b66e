"""The books and everything else kept in DynamoDB, one module a table, through pynamodb."""
