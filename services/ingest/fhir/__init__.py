"""The FHIR routes: QuestionnaireResponses, one or many in a bundle, are read as ratings."""
