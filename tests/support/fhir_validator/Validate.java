// Validates FHIR R4 resources, one a file, offline, and prints each message: file, severity, place, text.
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import org.hl7.fhir.common.hapi.validation.support.*;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;

public class Validate {
    public static void main(String[] files) throws Exception {
        FhirContext context = FhirContext.forR4();
        ValidationSupportChain chain = new ValidationSupportChain(
            new DefaultProfileValidationSupport(context),
            new CommonCodeSystemsTerminologyService(context),
            new InMemoryTerminologyServerValidationSupport(context));
        FhirInstanceValidator instance = new FhirInstanceValidator(chain);
        instance.setErrorForUnknownProfiles(false);
        instance.setNoExtensibleWarnings(true);
        FhirValidator validator = context.newValidator().registerValidatorModule(instance);
        for (String file : files) {
            String text = Files.readString(Path.of(file), StandardCharsets.UTF_8);
            for (SingleValidationMessage each : validator.validateWithResult(text).getMessages())
                System.out.println(Path.of(file).getFileName() + "\t" + each.getSeverity().getCode() + "\t" + each.getLocationString() + "\t" + each.getMessage().replace('\n', ' '));
        }
    }
}
