CREATE TABLE "Order Details" (OrderID INT, "Unit Price" REAL, Quantity INT); CREATE TABLE Orders (OrderID INTEGER PRIMARY KEY, Customer TEXT);
INSERT INTO Orders VALUES (1, 'ann'), (2, NULL); INSERT INTO "Order Details" VALUES (1, 2.5, 2), (1, 1.0, 3);
CREATE VIEW "Order Totals" AS SELECT o.OrderID, ifnull(o.Customer, 'nobody') AS Who, (SELECT sum(d."Unit Price" * d.Quantity) FROM "Order Details" d WHERE d.OrderID = o.OrderID) AS Total, CASE WHEN o.Customer IS NULL THEN 'no' ELSE 'yes' END AS [Is Known] FROM Orders o LEFT JOIN "Order Details" AS x USING (OrderID) GROUP BY o.OrderID;
